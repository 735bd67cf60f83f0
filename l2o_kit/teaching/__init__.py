"""What every lesson uses: panels, guesses, checks, claims and their ledger."""

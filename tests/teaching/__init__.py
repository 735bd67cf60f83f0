"""What every lesson uses: panels, guesses, answers, the ledger."""

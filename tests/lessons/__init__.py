"""The rooms: experiments, panels, checks and claims of each lesson."""

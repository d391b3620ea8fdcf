"""What a server reports of itself after the login, and what that means for Mistle."""

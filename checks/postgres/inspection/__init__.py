"""What a server reports about itself after the login, and what that means for Mistle."""

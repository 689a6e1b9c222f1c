"""What an encoder of texts is worth."""

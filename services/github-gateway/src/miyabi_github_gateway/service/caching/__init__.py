"""What is kept of GitHub: how fresh it is, who asks for it once, what is read ahead."""

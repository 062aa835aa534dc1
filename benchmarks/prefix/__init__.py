"""Row `prefix`: of what a second issue's conversations send, how much is read from the prompt cache?"""

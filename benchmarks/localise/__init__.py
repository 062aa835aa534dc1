"""Row `localise`: given an issue and the repository that it was reported against, which files does the fix touch?"""

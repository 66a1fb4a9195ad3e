"""The command-line tools: make, score and compare assets on the running servers."""

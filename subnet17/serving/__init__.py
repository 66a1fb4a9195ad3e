"""What both servers share: HTTP, queue, breaker, worker processes."""

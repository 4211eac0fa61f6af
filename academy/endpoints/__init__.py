"""Online endpoints: documents, replicas under a supervisor of their own, and the router before them."""

"""What a room of learners needs of a machine, and how to set one up."""

"""Labs: guided notebooks, run and checked."""

"""Speed as ratios: each figure is measured against its yardstick in the same run, in turns."""

"""What a run leaves on disk: shards committed one by one, their journal, and the frames derived from them."""

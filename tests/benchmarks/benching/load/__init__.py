"""Programs that watch and call the servers, in processes of their own, at little cost for each connection."""

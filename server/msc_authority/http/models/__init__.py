"""What the REST interface says and takes, as typed models. Units are in the names and in the descriptions."""

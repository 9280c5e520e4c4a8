"""The room that gets the edge's certificates from an ACME authority, renews them when it says so, and hands them over."""

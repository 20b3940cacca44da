"""Wire formats: octets to structs and back, without state (RFC 791, 792, 826, 894, 9293)."""

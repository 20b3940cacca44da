"""Memory shapes that know no protocol."""

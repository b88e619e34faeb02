"""Call-backs carried out: taken, lined up with those who wait, dialled once, tried again, and told of."""

"""What happened in a call: the entries of its record, and their fold into calls, legs and steps. Pure."""

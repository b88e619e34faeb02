-- Give the right to dial back. $1: its token.
update callback_lease set node = '', until = '-infinity' where token = $1

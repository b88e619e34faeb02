-- Delete the account of an agent. $1: its id.
delete from agents where agent = $1 returning agent

-- Delete a webhook and what was to be sent to it. $1: its id.
delete from webhooks where webhook_id = $1 returning webhook_id

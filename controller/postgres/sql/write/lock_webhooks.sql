-- Which webhooks there are, and nobody else counts their events until the commit: sequence numbers have no gaps.
select webhook_id from webhooks where enabled order by webhook_id for no key update

-- Take numbers out of Asterisk's own records of calls; their times stay, to be compared. $1: call ids.
update asterisk_cdr
set fields = fields - array['Source', 'CallerID', 'Destination', 'LastData', 'UserField']
where uniqueid in (
    select channel_id from calls where call_id = any($1::uuid[])
    union select channel_id from legs where call_id = any($1::uuid[]))

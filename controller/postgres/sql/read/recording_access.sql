-- Who listened to a recording, oldest first. $1: its id.
select at, by, how from recording_access where recording_id = $1 order by access_id

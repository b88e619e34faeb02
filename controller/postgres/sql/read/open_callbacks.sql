-- How many requests to be called back are open, by state.
select state, count(*)::integer as open from callback_requests
where state in ('scheduled', 'waiting', 'dialling')
group by state

-- Whether Postgres answers and the schema is there.
select version_num from schema_version

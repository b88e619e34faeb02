-- Sources of one version of the centre. $1: release.
select sources::text from releases where release = $1

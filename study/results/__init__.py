"""Results of a study: records, tables, the results folder and object storage. Also used by the analysis."""

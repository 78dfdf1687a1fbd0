"""What a study leaves behind: records, the results folder, object storage. Also read by the analysis."""

"""From a study to settings for data whose noise rate is unknown."""

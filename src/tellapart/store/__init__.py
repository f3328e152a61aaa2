"""Where things lie: the database (`database`, `schema`) and the picture files (`files`)."""

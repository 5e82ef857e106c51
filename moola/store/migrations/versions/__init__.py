"""One script a schema, named by it. A script never imports the tables: those move on."""

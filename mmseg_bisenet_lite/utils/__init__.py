"""What every other part may use: errors, files, tables, the terminal, and facts about the machine."""

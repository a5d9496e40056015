"""What is built: designs as nn.Modules, and the file they are kept in."""

//! JSON as Node.js reads and writes it.

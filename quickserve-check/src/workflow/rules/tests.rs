//! Every rule, found and not found.

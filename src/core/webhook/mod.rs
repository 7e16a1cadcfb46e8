//! Webhook signatures: which bytes are signed, and whether a signature holds.

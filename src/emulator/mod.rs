//! An offline server of the Extracta.ai API.

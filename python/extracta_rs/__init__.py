"""The client for the Extracta.ai document extraction API."""

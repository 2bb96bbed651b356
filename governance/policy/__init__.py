"""The lawyers' room door: policy files read, checked, compiled and tried on cases."""

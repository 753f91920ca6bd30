//! From changes to a plan

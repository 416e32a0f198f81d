//! The HTTP door: listeners, routes, parameters, consistency headers, JSON in and out.

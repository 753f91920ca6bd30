//! Carries out plans: the one loop, resume, guards

PART = "a required file".freeze

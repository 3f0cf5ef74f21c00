return { name = "a required module" }

"""Makes the environment that the launcher asks for: `python -I -S … ENVIRONMENT CHECKOUT`."""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from krait.cli.messages import say
    from krait.errors import UserError
    from krait.installation.environment import install

    try:
        install(sys.argv[1], sys.argv[2])
    except UserError as error:
        say(error.message)
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(128 + 2)  # SIGINT

from studies.accounts import roles
from studies.management.base import QuorumCommand


class Command(QuorumCommand):
    help = (
        "Make the groups researcher, analyst and operator; again, it gives them back the permissions they should have."
    )

    def handle(self, **options):
        roles.set_up_roles()
        if options["verbosity"]:
            for role in roles.ROLES:
                self.say(f"{role.name}: {role.about}")

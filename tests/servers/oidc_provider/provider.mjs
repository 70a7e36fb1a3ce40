// An OpenID Provider on loopback, with people who sign in by their name and any password.
//
// Usage: node provider.mjs '{"idTokenClaims": true}'
// Prints its issuer on the first line, and ends when its input does.

import { createServer } from "node:http";
import Provider from "oidc-provider";

const options = JSON.parse(process.argv[2] ?? "{}");
const groups = {
  ana: ["staff", "qa-leads"],
  bo: ["staff", "qa-reviewers", "rule-people"],
  cy: ["staff"],
};
const back = "/sign-in/oidc/back";

const client = (id) => ({
  client_id: id,
  client_secret: `${id}-secret-of-the-tests`,
  redirect_uris: [`http://127.0.0.1${back}`],
  grant_types: ["authorization_code"],
  response_types: ["code"],
});

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [client("earmark"), client("another")],
    claims: { openid: ["sub"], profile: ["name", "preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    conformIdTokenClaims: !options.idTokenClaims,
    cookies: { keys: ["tests only"] },
    features: { rpInitiatedLogout: { enabled: true } },
    pkce: { required: () => true },
    ttl: { Interaction: 600, Session: 600, Grant: 600, AccessToken: 600, IdToken: 600 },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        name: `${id} of the tests`,
        preferred_username: id,
        ...(groups[id] && { groups: groups[id] }),
      }),
    }),
    // Nobody is asked whether they agree: staff are not.
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile groups");
      await grant.save();
      return grant;
    },
  });
  // Consoles of tests listen wherever a port is free.
  provider.Client.prototype.redirectUriAllowed = (uri) => uri.endsWith(back);
  provider.Client.prototype.postLogoutRedirectUriAllowed = (uri) => uri.endsWith("/sign-in");
  server.on("request", provider.callback());
  console.log(issuer);
});

process.stdin.on("end", () => process.exit(0)).resume();

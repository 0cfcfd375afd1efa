// server.js
app.get("/health", async (req, res) => {
  const health = {
    uptime: process.uptime(),
    timestamp: Date.now(),
    status: "OK",
    version: process.env.IMAGE_TAG || "unknown",
  };

  try {
    // Check database connectivity
    await db.query("SELECT 1");
    health.database = "connected";
  } catch (error) {
    health.database = "disconnected";
    health.status = "DEGRADED";
    return res.status(503).json(health);
  }

  res.status(200).json(health);
});
